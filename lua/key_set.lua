-- key_set: store a value whose ttl counts from when the key was made
-- KEYS[1] the value's key
-- KEYS[2..] its lease, none where no function computes such keys
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] the encoded value
-- returns {'ok'}
-- writes KEYS[1]
-- empty {'ok'}
-- @include lib/entry
local there, grace, left = usable(KEYS[1], '')
outdate(2)
write(KEYS[1], ARGV[2], ARGV[1], grace, there and left)
return {'ok'}
