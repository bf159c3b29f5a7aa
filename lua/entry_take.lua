-- entry_take: give a value that counts and remove it; the owner of the lease is too late
-- KEYS[1] the entry
-- KEYS[2] its lease
-- KEYS[3..] the tags
-- ARGV[1] channel of waiting callers
-- ARGV[2..] where the tags are in other slots: their stamps
-- returns {'ok', entry} | {'missing'}
-- writes KEYS[1]
-- decides
-- empty {'missing'}
-- @include lib/entry
-- @include lib/tags
local data = usable(KEYS[1], known(3, 2))
if not data then return {'missing'} end
redis.call('UNLINK', KEYS[1], KEYS[2])
redis.call('PUBLISH', ARGV[1], '')
return {'ok', data}
