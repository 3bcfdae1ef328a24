// Nothing is called by name: the library is loaded before a server (LD_PRELOAD).
