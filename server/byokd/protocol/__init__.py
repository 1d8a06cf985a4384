"""The wire contract. Import from the submodules: a type is built when it is first used."""
