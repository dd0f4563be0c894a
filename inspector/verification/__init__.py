"""`inspector.verify`: findings become tested claims, a module for each kind of finding."""
