"""Each loss against a case worked out by hand."""

import math

import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler

from movie_cli.models.sampling import Guidance, three_pass
from movie_cli.train import objectives
from movie_cli.train.objectives import NoiseSchedule, euler_timesteps
from movie_cli.train.samples import Draws, seed_of


def planes(*values):
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1)


def test_guided_by_hand_and_as_it_is_run():
    none, image, full = planes(1.0, 2.0), planes(3.0, 5.0), planes(4.0, 9.0)
    # 1 + 1.5 * 2 + 7.5 * 1 = 11.5 and 2 + 2 * 3 + 4 * 4 = 24
    found = objectives.guided(none, image, full, torch.tensor([7.5, 4.0]), torch.tensor([1.5, 2.0]))
    assert found.flatten().tolist() == [11.5, 24.0]
    tokens = torch.zeros(1, 1, 1)
    guidance = Guidance(tokens, tokens, 7.5, 1.5, 3, 1)
    assert three_pass(torch.cat([full[:1], image[:1], none[:1]]), guidance).item() == 11.5


def test_guidance_saturates_by_hand():
    """Up to 0.9 of the full ratio of 5 the scale stays; (5 * 1.3 - 0.9 * 5) / 5 = 0.4 beyond is two times the room."""
    text, image = torch.tensor([3.0, 9.0, 6.5, 500.0]), torch.tensor([1.0, 2.0, 1.0, 1.0])
    found = objectives.saturated(text, image, 5.0)
    expected = [3.0, 9.0, 5 * (0.9 + 0.2 * (1 - math.exp(-2))), 5.5]
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


def test_a_multiplied_edit_by_hand():
    # 1 + 7.5 / 1.5 * 0.2 = 2 and 1 + 3 / 3 * 0.5 = 1.5
    source, edited = planes(1.0, 1.0), planes(1.2, 1.5)
    found = objectives.multiplied(source, edited, torch.tensor([7.5, 3.0]), torch.tensor([1.5, 3.0]))
    assert found.flatten().tolist() == pytest.approx([2.0, 1.5])
    assert objectives.multiplied(source, edited, 7.5, 1.5).flatten().tolist() == pytest.approx([2.0, 3.5])


def test_dropped_conditions_by_hand():
    draws = torch.tensor([0.0, 0.049, 0.051, 0.099, 0.101, 0.149, 0.151, 0.99])
    text, image = objectives.dropped(draws, (0.05, 0.05, 0.05))
    assert text.tolist() == [True, True, False, False, True, True, False, False]
    assert image.tolist() == [False, False, True, True, True, True, False, False]


def test_hinge_by_hand():
    # Head 1: relu(1 + 0.5) = 1.5, relu(1 - 2) = 0; head 2: relu(1 - 3) = 0, mean(relu(1 - 0), relu(1 + 1)) = 1.5.
    real = [torch.tensor([0.5]), torch.tensor([-3.0])]
    fake = [torch.tensor([2.0]), torch.tensor([0.0, -1.0])]
    assert objectives.discriminator_hinge(real, fake).item() == pytest.approx((1.5 + 1.5) / 2)
    assert objectives.generator_term(fake).item() == pytest.approx((2.0 - 0.5) / 2)


def test_gradient_penalty_by_hand():
    features = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    weight = torch.tensor([2.0, -1.0], requires_grad=True)
    score = (features * weight).sum(dim=1, keepdim=True)
    penalty = objectives.gradient_penalty([score], [features])
    assert penalty.item() == pytest.approx(5.0)  # 2^2 + 1^2 for every sample
    penalty.backward()
    assert weight.grad.tolist() == [4.0, -2.0]


def test_velocity_and_picture_by_hand():
    schedule = NoiseSchedule(torch.tensor([0.8]), torch.tensor([0.6]))
    picture, noise, time = planes(2.0), planes(-1.0), torch.tensor([0])
    noised = schedule.noised(picture, noise, time)
    assert noised.item() == pytest.approx(1.0)  # 0.8 * 2 - 0.6
    velocity = schedule.velocity_of_noise(noise, noised, time)
    assert velocity.item() == pytest.approx(-2.0)  # 0.8 * -1 - 0.6 * 2
    assert schedule.picture_of_velocity(velocity, noised, time).item() == pytest.approx(2.0)


def test_schedule_agrees_with_diffusers():
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    schedule = NoiseSchedule.of(scheduler)
    latents, noise = torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2)
    times = torch.tensor([0, 500, 999])
    torch.testing.assert_close(schedule.noised(latents, noise, times), scheduler.add_noise(latents, noise, times))
    velocity = scheduler.get_velocity(latents, noise, times)
    noised = schedule.noised(latents, noise, times)
    torch.testing.assert_close(schedule.velocity_of_noise(noise, noised, times), velocity, atol=1e-4, rtol=1e-4)


def test_one_step_of_lcm_is_the_picture_of_the_velocity():
    scheduler = LCMScheduler(prediction_type="v_prediction", clip_sample=False)
    scheduler.set_timesteps(1)
    assert scheduler.timesteps.tolist() == [999]
    schedule = NoiseSchedule.of(scheduler)
    velocity, noise = torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2)
    theirs = scheduler.step(velocity, scheduler.timesteps[0], noise, return_dict=False)[0]
    ours = schedule.picture_of_velocity(velocity, noise, torch.tensor([999]))
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_noise_levels_snap_to_the_table():
    schedule = NoiseSchedule.of(DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"))
    table = schedule.sigma / schedule.alpha
    times = torch.tensor([0, 17, 500, 999])
    assert schedule.nearest(table[times].log()).tolist() == times.tolist()
    assert schedule.nearest(torch.tensor([-50.0, 50.0])).tolist() == [0, 999]
    assert table[schedule.nearest(torch.tensor([-1.0]))].item() == pytest.approx(math.exp(-1), rel=0.01)


def test_euler_timesteps_begin_where_the_student_is_run():
    assert euler_timesteps(8) == [999, 874, 749, 624, 499, 374, 249, 124]
    assert euler_timesteps(1) == [999]


def test_draws_depend_on_the_sample_alone():
    whole, part = Draws(3, [4, 5, 6]), Draws(3, [5])
    assert torch.equal(whole.normal(2, 2)[1:2], part.normal(2, 2))
    assert torch.equal(whole.uniform(2, 14)[1:2], part.uniform(2, 14))
    assert torch.equal(whole.whole(1000)[1:2], part.whole(1000))
    assert not torch.equal(Draws(4, [5]).normal(2, 2), Draws(3, [5]).normal(2, 2))
    assert seed_of("a", 1) != seed_of("a", 2)
