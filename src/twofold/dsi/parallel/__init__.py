"""A structure generator without causal masks, and its decoding in a few passes; not in the paper."""
