-- zset_read: all members with their scores in one snapshot, or the number of members if there are too many
-- KEYS[1] the sorted set
-- ARGV[1] the most members that one reply may carry
-- returns {'all', members and scores} | {'big', count}
-- reads
-- held
-- empty {'all', {}}
local count = redis.call('ZCARD', KEYS[1])
if count > tonumber(ARGV[1]) then return {'big', count} end
return {'all', redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')}
