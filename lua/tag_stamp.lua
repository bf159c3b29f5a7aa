-- tag_stamp: the stamp of a tag, which is made if it is missing
-- KEYS[1] the tag
-- ARGV[1] ttl of the tag in ms, 0 none
-- ARGV[2] a new stamp, drawn for this message alone
-- returns {'ok', stamp}
-- writes leases only
-- empty {'ok', ARGV[2]}
-- @include lib/tags
return {'ok', stamp(KEYS[1], ARGV[2], ARGV[1])}
