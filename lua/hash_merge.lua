-- hash_merge: store all fields of one hash in another
-- KEYS[1] the hash that is written
-- KEYS[2] the hash that is read
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] the most fields that one step may carry
-- returns {'ok'} | {'big'}
-- writes KEYS[1]
-- empty {'ok'}
-- @include lib/arm
-- @include lib/each
if redis.call('HLEN', KEYS[2]) > tonumber(ARGV[3]) then return {'big'} end
local pairs_ = redis.call('HGETALL', KEYS[2])
if #pairs_ == 0 then return {'ok'} end
local new = made(KEYS[1], ARGV[2])
each('HSET', KEYS[1], pairs_, 1)
arm(KEYS[1], ARGV[1], ARGV[2], new)
return {'ok'}
