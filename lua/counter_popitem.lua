-- counter_popitem: take any one field out and give it with its count; a value that is no count stays
-- KEYS[1] the counter
-- returns {'ok', field, count} | {'missing'} | {'text'}
-- writes KEYS[1]
-- decides
-- empty {'missing'}
-- @include lib/count
local found = redis.call('HRANDFIELD', KEYS[1], 1)
local field = found and found[1]
if not field then return {'missing'} end
local count = redis.call('HGET', KEYS[1], field)
if not is_count(count) then return {'text'} end
redis.call('HDEL', KEYS[1], field)
return {'ok', field, count}
