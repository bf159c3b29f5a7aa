-- hash_popitem: take any one field out and give it with its value
-- KEYS[1] the hash
-- returns {'ok', field, value} | {'missing'}
-- writes KEYS[1]
-- decides
-- empty {'missing'}
local found = redis.call('HRANDFIELD', KEYS[1], 1)
local field = found and found[1]
if not field then return {'missing'} end
local value = redis.call('HGET', KEYS[1], field)
redis.call('HDEL', KEYS[1], field)
return {'ok', field, value}
