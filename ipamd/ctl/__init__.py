"""ipamctl: the command line of people and scripts, over the HTTP API and nothing else."""
