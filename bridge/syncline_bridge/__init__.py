"""The bridge: translates documented JSON sync protocols to the contract of the Syncline server."""
