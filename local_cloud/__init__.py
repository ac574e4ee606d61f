"""The clouds on this machine: Fly.io, Redis Cloud and DigitalOcean databases, emulated on Docker."""
