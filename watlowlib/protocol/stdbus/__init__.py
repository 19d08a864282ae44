"""Standard Bus: BACnet MS/TP frames that carry Watlow's attribute service."""
