"""Promises about a server that is used hard, each a script to be run by hand."""
