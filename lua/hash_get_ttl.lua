-- hash_get_ttl: a field's value and how long the value stays
-- KEYS[1] the hash
-- ARGV[1] field
-- returns {'ok', value, ms} | {'missing'}
-- reads
-- empty {'missing'}
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value then return {'missing'} end
local whole = redis.call('PTTL', KEYS[1])
local own = redis.pcall('HPTTL', KEYS[1], 'FIELDS', 1, ARGV[1])
own = type(own) == 'table' and not own.err and own[1] or -1
if own >= 0 and (whole < 0 or own < whole) then whole = own end
return {'ok', value, whole}
