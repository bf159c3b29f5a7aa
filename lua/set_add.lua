-- set_add: add members; the ttl is armed if one of them was new
-- KEYS[1] the set
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3..] members
-- returns {'ok', added}
-- writes KEYS[1]
-- empty {'ok', distinct ARGV[3..]}
-- @include lib/arm
-- @include lib/each
local new = made(KEYS[1], ARGV[2])
local added = each('SADD', KEYS[1], ARGV, 3)
if added > 0 then arm(KEYS[1], ARGV[1], ARGV[2], new) end
return {'ok', added}
