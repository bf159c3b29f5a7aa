-- entry_begin: before the source changes, drop the entry and take its lease from any owner
-- KEYS[1] the entry
-- KEYS[2] its lease
-- KEYS[3..] the tags
-- ARGV[1] token, drawn for this message alone
-- ARGV[2] ms that the lease lasts
-- ARGV[3] ttl of tags in ms, 0 none
-- ARGV[4..] one new stamp a tag, drawn for this message alone; or the stamps
-- returns {'lease', stamps}
-- writes KEYS[1]
-- empty {'lease', ARGV[4..]}
-- @include lib/tags
local current = stamps(3, #KEYS - 2, ARGV[3], 4)
redis.call('UNLINK', KEYS[1])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {'lease', current}
