-- lock_take: take a lock and count its owners, or say how long its present owner still has it
-- KEYS[1] the lock
-- KEYS[2] the counter of its owners
-- ARGV[1] token, drawn for this message alone
-- ARGV[2] ms that the lock lasts
-- ARGV[3] ms that the counter is kept
-- returns {'held', number} | {'wait', ms}
-- writes leases only
-- empty {'held', 1}
if redis.call('EXISTS', KEYS[1]) == 1 then return {'wait', redis.call('PTTL', KEYS[1])} end
local number = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {'held', number}
