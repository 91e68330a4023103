"""Services that know no mathematics: checks of what is handed in, files, random streams, the machine."""
