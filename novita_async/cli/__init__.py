"""The command line, `novita-async`. Everything it needs beyond the SDK is the extra `cli`, loaded when it is used."""
