"""How steps are carried out whose keys lie in several slots of a cluster."""
