"""What is said on the wire, and who may say it when."""
