SELECT clock_us() AS "now!"
