-- counter_pop: take a field out and give its count; a value that is no count stays
-- KEYS[1] the counter
-- ARGV[1] field
-- returns {'ok', count} | {'missing'} | {'text'}
-- writes KEYS[1]
-- decides
-- empty {'missing'}
-- @include lib/count
local count = redis.call('HGET', KEYS[1], ARGV[1])
if not count then return {'missing'} end
if not is_count(count) then return {'text'} end
redis.call('HDEL', KEYS[1], ARGV[1])
return {'ok', count}
