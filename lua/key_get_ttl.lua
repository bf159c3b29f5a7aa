-- key_get_ttl: a value and how long the value stays
-- KEYS[1] the key
-- returns {'ok', value, ms} | {'missing'}
-- reads
-- empty {'missing'}
local value = redis.call('GET', KEYS[1])
if not value then return {'missing'} end
return {'ok', value, redis.call('PTTL', KEYS[1])}
