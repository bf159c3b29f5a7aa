-- hash_set: store fields
-- KEYS[1] the hash
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3..] field, value, and so on
-- returns {'ok', added}
-- writes KEYS[1]
-- empty {'ok', distinct ARGV[3..] by 2}
-- @include lib/arm
-- @include lib/each
local new = made(KEYS[1], ARGV[2])
local added = each('HSET', KEYS[1], ARGV, 3)
arm(KEYS[1], ARGV[1], ARGV[2], new)
return {'ok', added}
