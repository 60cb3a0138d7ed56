"""How containers are made, entered and removed. Only `docker.py` knows the Docker SDK."""
