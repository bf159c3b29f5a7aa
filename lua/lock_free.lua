-- lock_free: give a lock back, if it is still ours; its counter is kept for a while
-- KEYS[1] the lock
-- KEYS[2] the counter of its owners
-- ARGV[1] token
-- ARGV[2] channel of waiting callers
-- ARGV[3] ms that the counter is kept
-- returns {'ok'} | {'refused'}
-- writes leases only
-- empty {'ok'}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'refused'} end
redis.call('DEL', KEYS[1])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('PUBLISH', ARGV[2], '')
return {'ok'}
