"""Where the primary is: sentinels are asked, all of them, and a majority is believed (rules S1 to S3)."""
