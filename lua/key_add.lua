-- key_add: store a value if there is none that counts; the owner of the lease is too late
-- KEYS[1] the value's key
-- KEYS[2..] its lease, none where no function computes such keys
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] the encoded value
-- returns {'ok'} | {'there', entry}
-- writes KEYS[1]
-- decides
-- empty {'ok'}
-- @include lib/entry
local there = usable(KEYS[1], '')
if there then return {'there', there} end
outdate(2)
write(KEYS[1], ARGV[2], ARGV[1])
return {'ok'}
