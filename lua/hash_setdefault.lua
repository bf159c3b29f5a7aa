-- hash_setdefault: store a field that is not there, else give its value
-- KEYS[1] the hash
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] field
-- ARGV[4] value
-- returns {'set'} | {'old', value}
-- writes KEYS[1]
-- decides
-- empty {'set'}
-- @include lib/arm
local old = redis.call('HGET', KEYS[1], ARGV[3])
if old then return {'old', old} end
local new = made(KEYS[1], ARGV[2])
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
arm(KEYS[1], ARGV[1], ARGV[2], new)
return {'set'}
