"""Modbus RTU: frames and words (pure), and the client of a port, on minimalmodbus."""
