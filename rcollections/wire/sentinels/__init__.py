"""Where the primary is: sentinels are asked, all of them, and a majority is believed (rules M1 to M3)."""
