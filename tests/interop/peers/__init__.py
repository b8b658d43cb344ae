"""Peers for the device that share no code with it: radio, central, protocol client, NVS reader."""
