"""One file per route: `routes(service)` gives what the application includes."""
