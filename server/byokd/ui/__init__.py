"""`byokd ui`: the AI Providers page on loopback, for a person's browser or a desktop shell.

A small web server that is one more client of the daemon. `authorization` decides who may use it,
`server` and `relay` pass messages on, and `assets/` has the page, built from `client-ts`.
"""
