-- entry_put: store a value given by hand, under the stamps of this moment; the owner of the lease is too late
-- KEYS[1] the entry
-- KEYS[2] its lease
-- KEYS[3..] the tags
-- ARGV[1] the bytes before the stamps, empty for a bare value
-- ARGV[2] the value
-- ARGV[3] ttl in ms, 0 none
-- ARGV[4] ttl of tags in ms, 0 none
-- ARGV[5] channel of waiting callers
-- ARGV[6..] one new stamp a tag, drawn for this message alone; or the stamps
-- returns {'ok'}
-- writes KEYS[1]
-- empty {'ok'}
-- @include lib/tags
local data = ARGV[1] .. stamps(3, #KEYS - 2, ARGV[4], 6) .. ARGV[2]
redis.call('DEL', KEYS[2])
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], data)
else
  redis.call('SET', KEYS[1], data, 'PX', ARGV[3])
end
redis.call('PUBLISH', ARGV[5], '')
return {'ok'}
