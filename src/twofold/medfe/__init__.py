"""MEDFE: a mutual encoder-decoder with feature equalizations (ECCV 2020)."""
