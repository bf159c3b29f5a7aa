-- lease_renew: lengthen a lease, if the lease is still ours; never makes a lease
-- KEYS[1] the lease
-- ARGV[1] token
-- ARGV[2] ms from now
-- returns {'ok'} | {'refused'}
-- writes leases only
-- empty {'ok'}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'refused'} end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'ok'}
