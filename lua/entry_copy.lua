-- entry_copy: make one entry a copy of another; from a missing source, or one that counts no more, nothing is left
-- KEYS[1] the source
-- KEYS[2] the copy, replaced
-- KEYS[3] the lease of the copy: a computation of it is too late
-- KEYS[4..] the tags
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2..] where the tags are in other slots: their stamps
-- returns {'ok'} | {'missing'}
-- writes KEYS[2]
-- empty {'missing'}
-- @include lib/entry
-- @include lib/tags
local data, grace = usable(KEYS[1], known(4, 2))
redis.call('DEL', KEYS[3])
if not data then
  redis.call('DEL', KEYS[2])
  return {'missing'}
end
write(KEYS[2], data, ARGV[1] == '0' and '0' or tonumber(ARGV[1]) + grace)
return {'ok'}
