-- key_cas: store a value if the key still holds the bytes that were read, or still no value that counts
-- KEYS[1] the value's key
-- KEYS[2..] its lease, none where no function computes such keys
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] there or absent: whether the read found a value that counts
-- ARGV[4] the bytes that were read
-- ARGV[5] the encoded new value
-- returns {'ok'} | {'changed'}
-- writes KEYS[1]
-- decides
-- empty {'ok'} when ARGV[3] is absent
-- empty {'changed'}
-- @include lib/entry
if ARGV[3] == 'there' and redis.call('GET', KEYS[1]) ~= ARGV[4] then return {'changed'} end
local there, grace, left
if ARGV[3] == 'absent' or ARGV[2] == 'first' then there, grace, left = usable(KEYS[1], '') end
if ARGV[3] == 'absent' and there then return {'changed'} end
outdate(2)
write(KEYS[1], ARGV[5], ARGV[1], grace, ARGV[2] == 'first' and left)
return {'ok'}
