"""Coupons and points 消费券与积分: what became of each coupon, and accounts of points that never go below zero."""
