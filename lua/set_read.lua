-- set_read: all members in one snapshot, or the number of members if there are too many
-- KEYS[1] the set
-- ARGV[1] the most members that one reply may carry
-- returns {'all', members} | {'big', count}
-- reads
-- held
-- empty {'all', {}}
local count = redis.call('SCARD', KEYS[1])
if count > tonumber(ARGV[1]) then return {'big', count} end
return {'all', redis.call('SMEMBERS', KEYS[1])}
