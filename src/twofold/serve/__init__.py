"""The server: a page to paint holes on and an HTTP interface to fill them, for many clients at once."""
