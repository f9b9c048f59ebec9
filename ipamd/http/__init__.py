"""ipamd over HTTP: requests are read and checked here, and what the service does with them is shown."""
