-- hash_read: all fields, values or both in one snapshot, or the number of fields if there are too many
-- KEYS[1] the hash
-- ARGV[1] the most fields that one reply may carry
-- ARGV[2] HKEYS, HVALS or HGETALL
-- returns {'all', items} | {'big', count}
-- reads
-- held until hash_soonest
-- empty {'all', {}}
local count = redis.call('HLEN', KEYS[1])
if count > tonumber(ARGV[1]) then return {'big', count} end
return {'all', redis.call(ARGV[2], KEYS[1])}
