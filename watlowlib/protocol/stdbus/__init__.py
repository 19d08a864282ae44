"""Standard Bus: BACnet MS/TP frames with Watlow's attribute service in them."""
