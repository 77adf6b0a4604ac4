"""The story that `spm demo` tells: everything spm does, on loopback, in under a minute."""
