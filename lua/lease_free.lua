-- lease_free: give a lease back, if the lease is still ours, and leave a mark for those that waited
-- KEYS[1] the lease
-- KEYS[2..] the tags
-- ARGV[1] token
-- ARGV[2] channel of waiting callers
-- ARGV[3..] the mark, and how many ms it lasts; none: nothing is left. Then, where the tags are in other slots: their stamps
-- returns {'ok', stamps} | {'refused', ''}
-- writes leases only
-- empty {'ok', ''}
-- @include lib/tags
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'refused', ''} end
if ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
else
  redis.call('DEL', KEYS[1])
end
redis.call('PUBLISH', ARGV[2], '')
return {'ok', known(2, 5)}
