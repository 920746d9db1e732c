"""A trained model as a service: questions and events over HTTP."""
