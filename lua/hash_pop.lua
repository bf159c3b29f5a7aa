-- hash_pop: take a field out and give its value
-- KEYS[1] the hash
-- ARGV[1] field
-- returns {'ok', value} | {'missing'}
-- writes KEYS[1]
-- decides
-- empty {'missing'}
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value then return {'missing'} end
redis.call('HDEL', KEYS[1], ARGV[1])
return {'ok', value}
