"""The native stack: the same services as the images run, as processes of this machine. No Docker, no sudo, no key."""
