-- set_replace: make these members the whole content
-- KEYS[1] the set
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2..] members
-- returns {'ok'}
-- writes KEYS[1]
-- replaces all
-- empty {'ok'}
-- @include lib/each
redis.call('DEL', KEYS[1])
each('SADD', KEYS[1], ARGV, 2)
if ARGV[1] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {'ok'}
